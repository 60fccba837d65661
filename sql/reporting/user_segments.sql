-- reporting.user_segments
-- Grain: one row per kind of group and name (kind, name).
-- Rerun: whole; linear in users.
-- Why:   who the users are, without saying it of a handful of people: small groups become one, and
--        if that is still small, the next smallest group joins it.

insert into {{ this }} (
    kind,
    name,
    users,
    share,
    median_recency_days,
    median_active_days,
    median_miles_earned,
    median_miles_redeemed
)
with people as (
    select
        groups.kind,
        groups.name,
        max(profiles.last_active_day) over () - profiles.last_active_day as recency_days,
        engagement.active_days_lifetime,
        engagement.miles_earned_lifetime,
        engagement.miles_redeemed_lifetime
    from {{ warehouse }}.agg_user_profiles as profiles
    inner join {{ warehouse }}.agg_user_engagement as engagement
        on engagement.user_id = profiles.user_id
    cross join lateral (
        values
        ('rule', profiles.segment),
        ('cluster', profiles.cluster::text)
    ) as groups (kind, name)
),

sizes as (
    select
        people.kind,
        people.name,
        count(*) as users
    from people
    group by
        people.kind,
        people.name
),

-- `place` is the order by size: of the small ones by themselves, and of the others.
ranked as (
    select
        sizes.kind,
        sizes.name,
        sizes.users < {{ min_cell }} as is_small,
        sum(sizes.users) filter (where sizes.users < {{ min_cell }})
            over (partition by sizes.kind) as users_of_small,
        row_number() over (
            partition by sizes.kind, sizes.users < {{ min_cell }}
            order by sizes.users, sizes.name collate "C"
        ) as place
    from sizes
),

names as (
    select
        ranked.kind,
        ranked.name,
        case
            when ranked.is_small or (ranked.place = 1 and ranked.users_of_small < {{ min_cell }})
                then 'other'
            else ranked.name
        end as shown_name
    from ranked
)

select
    people.kind,
    names.shown_name as name,
    count(*) as users,
    round(count(*) / sum(count(*)) over (partition by people.kind), 6) as share,
    -- The mean of the two in the middle, which are one if the number is odd.
    round(
        (
            percentile_disc(0.5) within group (order by people.recency_days)
            + percentile_disc(0.5) within group (order by people.recency_days desc)
        ) / 2.0,
        6
    ) as median_recency_days,
    round(
        (
            percentile_disc(0.5) within group (order by people.active_days_lifetime)
            + percentile_disc(0.5) within group (order by people.active_days_lifetime desc)
        ) / 2.0,
        6
    ) as median_active_days,
    round(
        (
            percentile_disc(0.5) within group (order by people.miles_earned_lifetime)
            + percentile_disc(0.5) within group (order by people.miles_earned_lifetime desc)
        ) / 2.0,
        6
    ) as median_miles_earned,
    round(
        (
            percentile_disc(0.5) within group (order by people.miles_redeemed_lifetime)
            + percentile_disc(0.5) within group (order by people.miles_redeemed_lifetime desc)
        ) / 2.0,
        6
    ) as median_miles_redeemed
from people
inner join names on names.kind = people.kind and names.name = people.name
group by
    people.kind,
    names.shown_name;
