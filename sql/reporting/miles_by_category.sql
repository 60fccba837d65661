-- reporting.miles_by_category
-- Grain: one row per grain, period, direction, category and slice value with a transaction
--        (grain, period_start, direction, transaction_category, slice, slice_value).
-- Rerun: changed keys; replaces the periods that a change lies in, and those that are complete now
--        and were not, or the other way round.
-- Why:   where miles come from and what they are spent on. Of many categories in many slices the
--        rows are too many for all of them to be written in each build.

with data as (
    select max(calendar_date) as last_day
    from {{ warehouse }}.dim_dates
),

reported as (
    select distinct grain, period_start, is_complete
    from {{ this }}
),

changed as (
    select grain, period_start
    from {{ warehouse }}.changed_user_days
    cross join lateral {{ warehouse }}.periods(event_date)
    where isfinite(event_date)
    union
    select grain, period_start
    from reported
    cross join data
    where is_complete is distinct from {{ warehouse }}.next_period(grain, period_start) <= last_day
),

gone as (
    delete from {{ this }} as report
    {{ incremental }} using changed
    {{ incremental }} where report.grain = changed.grain
    {{ incremental }}     and report.period_start = changed.period_start
    returning report.grain
)

insert into {{ this }} (
    grain, period_start, direction, transaction_category, slice, slice_value, miles, transactions,
    users, miles_per_transaction, is_complete
)
select
    categories.grain, categories.period_start, directions.direction,
    categories.transaction_category, categories.slice, categories.slice_value, directions.miles,
    directions.transactions, directions.users,
    round(directions.miles / directions.transactions, 6) as miles_per_transaction,
    {{ warehouse }}.next_period(categories.grain, categories.period_start)
    <= data.last_day as is_complete
from {{ warehouse }}.agg_category_periods as categories
{{ incremental }} inner join changed
{{ incremental }}     on changed.grain = categories.grain
{{ incremental }}     and changed.period_start = categories.period_start
cross join data
cross join lateral (
    values
    ('earned', categories.miles_earned, categories.earned_count, categories.earning_users),
    ('redeemed', categories.miles_redeemed, categories.redeemed_count, categories.redeeming_users)
) as directions (direction, miles, transactions, users)
where
    directions.transactions > 0
    -- The old rows must be out before the new ones go in: counting them makes it so.
    and (select count(*) from gone) >= 0;
