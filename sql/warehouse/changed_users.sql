-- warehouse.changed_users
-- Grain: one row per user (user_id).
-- Rerun: whole; follows from changed_user_days.
-- Why:   distinct users of a week or month need the whole week or month of each changed user, so
--        the span reaches to the borders of both.

delete from {{ this }};

insert into {{ this }} (user_id, span_start, span_end)
select
    changed.user_id,
    case
        when isfinite(min(changed.event_date))
            then
                least(
                    date_trunc('week', min(changed.event_date)::timestamp)::date,
                    date_trunc('month', min(changed.event_date)::timestamp)::date
                )
        else '-infinity'
    end as span_start,
    case
        when isfinite(max(changed.event_date))
            then
                greatest(
                    date_trunc('week', max(changed.event_date)::timestamp)::date + 6,
                    (
                        date_trunc('month', max(changed.event_date)::timestamp)
                        + interval '1 month - 1 day'
                    )::date
                )
        else '-infinity'
    end as span_end
from {{ warehouse }}.changed_user_days as changed
group by changed.user_id
order by changed.user_id;

analyze {{ this }};
