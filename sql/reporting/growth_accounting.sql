-- reporting.growth_accounting
-- Grain: one row per grain, period and slice value (grain, period_start, slice, slice_value).
-- Rerun: whole; as many rows as periods and slice values.
-- Why:   new, retained and resurrected users add up to the active ones; retained and churned to
--        those of the period before (checked). While a period runs nobody can be said to have
--        churned.

insert into {{ this }} (
    grain,
    period_start,
    slice,
    slice_value,
    active_users,
    new_users,
    retained_users,
    resurrected_users,
    churned_users,
    quick_ratio,
    retention_rate,
    is_complete
)
with grains as (
    select distinct
        grains.grain,
        grains.period_start
    from {{ warehouse }}.dim_dates as dates
    cross join lateral (
        values
        ('day', dates.calendar_date),
        ('week', dates.week_start),
        ('month', dates.month_start)
    ) as grains (grain, period_start)
),

data as (
    select max(dates.calendar_date) as last_day
    from {{ warehouse }}.dim_dates as dates
),

periods as (
    select
        grains.grain,
        grains.period_start,
        (grains.period_start + ('1 ' || grains.grain)::interval)::date
        <= data.last_day as is_complete
    from grains
    cross join data
),

activity as (
    select
        activity.slice,
        activity.slice_value,
        activity.grain,
        activity.period_start,
        sum(activity.active_users) as active_users,
        sum(activity.new_users) as new_users,
        sum(activity.retained_users) as retained_users,
        sum(activity.resurrected_users) as resurrected_users,
        sum(activity.churned_users) as churned_users
    from {{ warehouse }}.agg_period_activity as activity
    group by
        activity.slice,
        activity.slice_value,
        activity.grain,
        activity.period_start
),

slices as (
    select
        activity.slice,
        activity.slice_value,
        activity.grain,
        min(activity.period_start) as first_period
    from activity
    group by
        activity.slice,
        activity.slice_value,
        activity.grain
),

accounts as (
    select
        periods.grain,
        periods.period_start,
        slices.slice,
        slices.slice_value,
        coalesce(activity.active_users, 0) as active_users,
        coalesce(activity.new_users, 0) as new_users,
        coalesce(activity.retained_users, 0) as retained_users,
        coalesce(activity.resurrected_users, 0) as resurrected_users,
        case when periods.is_complete then coalesce(activity.churned_users, 0) end as churned_users,
        lag(coalesce(activity.active_users, 0)) over (
            partition by slices.slice, slices.slice_value, periods.grain
            order by periods.period_start
        ) as users_before,
        periods.is_complete
    from slices
    inner join periods
        on periods.grain = slices.grain and periods.period_start >= slices.first_period
    left join activity
        on
            activity.slice = slices.slice
            and activity.slice_value = slices.slice_value
            and activity.grain = periods.grain
            and activity.period_start = periods.period_start
)

select
    accounts.grain,
    accounts.period_start,
    accounts.slice,
    accounts.slice_value,
    accounts.active_users,
    accounts.new_users,
    accounts.retained_users,
    accounts.resurrected_users,
    accounts.churned_users,
    round(
        (accounts.new_users + accounts.resurrected_users) / nullif(accounts.churned_users, 0), 6
    ) as quick_ratio,
    case
        when accounts.is_complete
            then round(accounts.retained_users / nullif(accounts.users_before, 0), 6)
    end as retention_rate,
    accounts.is_complete
from accounts;
