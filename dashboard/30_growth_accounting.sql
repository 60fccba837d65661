-- Growth accounting
-- Question: Are users won, kept, won back or lost?
-- Meaning:  New: active for the first time. Retained: active in this period and the one before.
--           Resurrected: back after one period away or more. Churned: active in the period before,
--           but not in this one; once the period is over, a question mark stands for it until later
--           events have come. Net change is new + resurrected - churned. Quick ratio: (new +
--           resurrected) / churned; none where nobody churned. In the first period everybody is
--           new. By day, a country, platform or source is shown for the last 90 days.
-- Width:    half
-- Base:     base
-- Adds:     no
-- Columns:
--     period_start: From
--     new_users: New, number
--     resurrected_users: Resurrected, number
--     retained_users: Retained, number
--     churned_users: Churned, number
--     active_users: Active, number
--     net_users: Net change, number
--     quick_ratio: Quick ratio, decimal
--     retention_rate: Retention, percent

-- Who is kept or lost is one of those before: of the last period, or of all.
select
    growth.slice,
    growth.slice_value,
    growth.grain,
    growth.period_start,
    growth.new_users,
    growth.resurrected_users,
    growth.retained_users,
    growth.churned_users,
    growth.active_users,
    growth.new_users + growth.resurrected_users - growth.churned_users as net_users,
    growth.quick_ratio,
    growth.retention_rate,
    coalesce(
        least(
            nullif(lag(growth.active_users) over of_member, 0),
            nullif(sum(growth.new_users) over of_member - growth.new_users, 0)
        ),
        growth.active_users
    ) as base,
    growth.is_complete
from reporting.growth_accounting as growth
window of_member as (
    partition by growth.slice, growth.slice_value, growth.grain order by growth.period_start
)
order by growth.slice, growth.slice_value, growth.grain, growth.period_start;
