-- Each kind of group has every user exactly once, and its shares add up to one, except for
-- rounding.

with stored as (
    select count(*) as users
    from {{ warehouse }}.dim_users
),

kinds as (
    select
        kinds.kind,
        coalesce(sum(segments.users), 0) as users,
        abs(sum(segments.share) - 1) <= 0.000001 * count(*) as is_whole
    from (values ('rule'), ('cluster')) as kinds (kind)
    left join {{ reporting }}.user_segments as segments on segments.kind = kinds.kind
    group by kinds.kind
)

select
    kinds.kind,
    kinds.users,
    stored.users as stored_users
from kinds
cross join stored
where
    kinds.users <> stored.users
    or not kinds.is_whole
