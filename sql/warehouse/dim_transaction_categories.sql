-- warehouse.dim_transaction_categories
-- Grain: one row per category (transaction_category).
-- Rerun: whole.
-- Why:   one list of categories with the roles each of them plays; a category can play several.

insert into {{ this }} (
    transaction_category,
    is_earned,
    is_redeemed,
    is_searched,
    first_seen_date
)
select
    categories.transaction_category,
    sum(categories.earned_count) > 0 as is_earned,
    sum(categories.redeemed_count) > 0 as is_redeemed,
    sum(categories.search_count) > 0 as is_searched,
    min(categories.period_start) as first_seen_date
from {{ warehouse }}.agg_category_periods as categories
where categories.slice = 'all' and categories.grain = 'day'
group by categories.transaction_category;
