-- warehouse.dim_transaction_categories
-- Grain: one row per category (transaction_category).
-- Rerun: whole.
-- Why:   one list of categories with the roles each of them plays; a category can play several.

insert into {{ this }} (
    transaction_category, is_earned, is_redeemed, is_searched, first_seen_date
)
select
    transaction_category,
    sum(earned_count) > 0 as is_earned,
    sum(redeemed_count) > 0 as is_redeemed,
    sum(search_count) > 0 as is_searched,
    min(period_start) as first_seen_date
from {{ warehouse }}.agg_category_periods
where slice = 'all' and grain = 'day'
group by transaction_category;
