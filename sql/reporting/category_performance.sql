-- reporting.category_performance
-- Grain: one row per grain, period and category with an event
--        (grain, period_start, transaction_category).
-- Rerun: whole; as many rows as periods and categories.
-- Why:   which categories grow, and how many of the users they reach. Active users come from
--        growth_accounting, so that the two can not disagree.

insert into {{ this }} (
    grain, period_start, transaction_category, events, users, miles_earned, miles_redeemed,
    share_of_users, growth, is_complete
)
select
    categories.grain, categories.period_start, categories.transaction_category, categories.events,
    categories.users, categories.miles_earned, categories.miles_redeemed,
    round(categories.users::numeric / everybody.active_users, 6) as share_of_users,
    case
        when everybody.is_complete
            then round((categories.users - before.users)::numeric / before.users, 6)
    end as growth,
    everybody.is_complete
from {{ warehouse }}.agg_category_periods as categories
inner join {{ reporting }}.growth_accounting as everybody
    on
        everybody.grain = categories.grain
        and everybody.period_start = categories.period_start
        and everybody.slice = 'all'
left join {{ warehouse }}.agg_category_periods as before
    on
        before.grain = categories.grain
        and {{ warehouse }}.next_period(before.grain, before.period_start)
        = categories.period_start
        and before.transaction_category = categories.transaction_category
        and before.slice = categories.slice
where categories.slice = 'all';
