-- reporting.rpt_miles_by_category
-- Grain: one row per direction and category (direction, transaction_category).
-- Rerun: whole; a few rows, from one per user and category.
-- Why:   which partners matter.

insert into {{ this }} (direction, transaction_category, events, users, miles)
select
    direction,
    transaction_category,
    sum(events) as events,
    count(*) as users,
    sum(miles) as miles
from {{ warehouse }}.agg_user_categories
group by direction, transaction_category;
