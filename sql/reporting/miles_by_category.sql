-- reporting.miles_by_category
-- Grain: one row per grain, period, direction, category and slice value with a transaction
--        (grain, period_start, direction, transaction_category, slice, slice_value).
-- Rerun: whole; as many rows as periods and categories.
-- Why:   where miles come from and what they are spent on.

insert into {{ this }} (
    grain,
    period_start,
    direction,
    transaction_category,
    slice,
    slice_value,
    miles,
    transactions,
    users,
    miles_per_transaction,
    is_complete
)
with data as (
    select max(dates.calendar_date) as last_day
    from {{ warehouse }}.dim_dates as dates
)

select
    categories.grain,
    categories.period_start,
    directions.direction,
    categories.transaction_category,
    'all' as slice,
    'all' as slice_value,
    directions.miles,
    directions.transactions,
    directions.users,
    round(directions.miles / directions.transactions, 6) as miles_per_transaction,
    (categories.period_start + ('1 ' || categories.grain)::interval)::date
    <= data.last_day as is_complete
from {{ warehouse }}.agg_category_periods as categories
cross join data
cross join lateral (
    values
    ('earned', categories.miles_earned, categories.earned_count, categories.earning_users),
    ('redeemed', categories.miles_redeemed, categories.redeemed_count, categories.redeeming_users)
) as directions (direction, miles, transactions, users)
where directions.transactions > 0;
