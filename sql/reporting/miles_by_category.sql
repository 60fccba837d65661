-- reporting.miles_by_category
-- Grain: one row per grain, period, direction, category and slice value with a transaction
--        (grain, period_start, direction, transaction_category, slice, slice_value).
-- Rerun: changed keys; replaces the changed categories in their changed periods, and all categories
--        of periods whose is_complete has changed.
-- Why:   where miles come from and what they are spent on. With many categories and slices there
--        are too many rows to write all of them in each build.

with data as (
    select max(calendar_date) as last_day
    from {{ warehouse }}.dim_dates
),

-- Periods whose is_complete has changed.
turned_periods as (
    select
        periods.grain,
        periods.period_start
    from (
        select distinct grain, period_start
        from {{ warehouse }}.dim_dates
        cross join lateral {{ warehouse }}.periods(calendar_date)
    ) as periods
    cross join data
    cross join lateral (
        select is_complete
        from {{ this }} as report
        where report.grain = periods.grain and report.period_start = periods.period_start
        order by direction
        limit 1
    ) as reported
    where
        is_complete is distinct from
        {{ warehouse }}.next_period(periods.grain, periods.period_start) <= last_day
),

changed as (
    select grain, period_start, transaction_category
    from {{ warehouse }}.changed_user_days
    inner join {{ warehouse }}.changed_user_categories using (user_id)
    cross join lateral {{ warehouse }}.periods(event_date)
    where isfinite(event_date)
    union
    select grain, period_start, transaction_category
    from turned_periods
    cross join {{ warehouse }}.dim_transaction_categories
),

removed as (
    delete from {{ this }} as report
    {{ incremental }} where (grain, period_start, transaction_category) in (
    {{ incremental }}     select grain, period_start, transaction_category from changed
    {{ incremental }} )
    returning report.grain
)

insert into {{ this }} (
    grain, period_start, direction, transaction_category, slice, slice_value, miles, transactions,
    users, miles_per_transaction, is_complete
)
select
    categories.grain, categories.period_start, directions.direction,
    categories.transaction_category, categories.slice, categories.slice_value,
    trim_scale(directions.miles) as miles,
    directions.transactions, directions.users,
    trim_scale(round(directions.miles / directions.transactions, 6)) as miles_per_transaction,
    {{ warehouse }}.next_period(categories.grain, categories.period_start)
    <= data.last_day as is_complete
from {{ warehouse }}.agg_category_periods as categories
cross join data
cross join lateral (
    values
    ('earned', categories.miles_earned, categories.earned_count, categories.earning_users),
    ('redeemed', categories.miles_redeemed, categories.redeemed_count, categories.redeeming_users)
) as directions (direction, miles, transactions, users)
where
    directions.transactions > 0
    {{ incremental }} and (categories.grain, categories.period_start, transaction_category) in (
    {{ incremental }}     select grain, period_start, transaction_category from changed
    {{ incremental }} )
    -- Reading what the delete returns makes it run before the insert.
    and (select count(*) from removed) >= 0;
