-- warehouse.dim_transaction_categories
-- Grain: one row per category (transaction_category).
-- Rerun: whole; a few rows.
-- Why:   which there are, of what kind, and since when.

insert into {{ this }} (transaction_category, event_type, first_seen_at)
select
    value as transaction_category,
    min(event_type) as event_type,
    min(first_seen_at) as first_seen_at
from {{ warehouse }}.agg_daily_values
where dimension = 'transaction_category'
group by value;
