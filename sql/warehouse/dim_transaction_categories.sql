-- warehouse.dim_transaction_categories
-- Grain: one row per category (transaction_category).
-- Rerun: whole.
-- Why:   one list of categories with the roles of each; a category can have several. Roles come
--        from months, which are few; the first day is the first entry of an index.

insert into {{ this }} (
    transaction_category, is_earned, is_redeemed, is_searched, first_seen_date
)
select
    transaction_category,
    sum(earned_count) > 0 as is_earned,
    sum(redeemed_count) > 0 as is_redeemed,
    sum(search_count) > 0 as is_searched,
    (
        select min(period_start)
        from {{ warehouse }}.agg_category_periods as days
        where
            grain = 'day'
            and slice = 'all'
            and days.slice_value = 'all'
            and days.transaction_category = months.transaction_category
    ) as first_seen_date
from {{ warehouse }}.agg_category_periods as months
where slice = 'all' and grain = 'month'
group by transaction_category;
