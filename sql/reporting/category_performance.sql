-- reporting.category_performance
-- Grain: one row per grain, period and category with an event
--        (grain, period_start, transaction_category).
-- Rerun: changed keys; the periods from the first change on.
-- Why:   which categories grow, and how many of the users they reach. Active users come from
--        growth_accounting, so that the two cannot disagree. There is no growth against a period
--        that is partial because the data begin in it.

delete from {{ this }}
{{ incremental }} using {{ warehouse }}.changed_slices
{{ incremental }} where slice = 'all' and {{ warehouse }}.next_period(grain, period_start) > since
;

insert into {{ this }} (
    grain, period_start, transaction_category, events, users, miles_earned, miles_redeemed,
    share_of_users, growth, is_complete
)
select
    categories.grain, categories.period_start, categories.transaction_category, categories.events,
    categories.users,
    trim_scale(categories.miles_earned) as miles_earned,
    trim_scale(categories.miles_redeemed) as miles_redeemed,
    trim_scale(round(categories.users::numeric / everybody.active_users, 6)) as share_of_users,
    case
        when everybody.is_complete and before.period_start >= first_day
            then trim_scale(round((categories.users - before.users)::numeric / before.users, 6))
    end as growth,
    everybody.is_complete
from {{ warehouse }}.agg_category_periods as categories
cross join (select min(calendar_date) as first_day from {{ warehouse }}.dim_dates) as data
inner join {{ reporting }}.growth_accounting as everybody
    on
        everybody.grain = categories.grain
        and everybody.period_start = categories.period_start
        and everybody.slice = 'all'
left join {{ warehouse }}.agg_category_periods as before
    on
        before.grain = categories.grain
        and before.period_start
        = {{ warehouse }}.previous_period(categories.grain, categories.period_start)
        and before.transaction_category = categories.transaction_category
        and before.slice = categories.slice
        and before.slice_value = categories.slice_value
{{ incremental }} inner join {{ warehouse }}.changed_slices as changed
{{ incremental }}     on changed.slice = everybody.slice
{{ incremental }}     and {{ warehouse }}.next_period(everybody.grain, everybody.period_start)
{{ incremental }}     > since
where categories.slice = 'all';
