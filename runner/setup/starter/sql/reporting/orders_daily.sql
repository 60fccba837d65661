-- reporting.orders_daily
-- Grain: one row per day on which a row last changed (day).
-- Rerun: changed keys; recomputes the days of the change set, other days stay.
-- Why:   shows how much happens each day.

delete from {{ this }} as daily
{{ incremental }} using {{ warehouse }}.changed_orders as changed
{{ incremental }} where daily.day = changed.updated_at_day
;

insert into {{ this }} (day, row_count)
select
    fact.updated_at_day as day,
    count(*) as row_count
from {{ warehouse }}.fact_orders as fact
{{ incremental }} where fact.updated_at_day in (
{{ incremental }}     select changed.updated_at_day
{{ incremental }}     from {{ warehouse }}.changed_orders as changed
{{ incremental }} )
group by fact.updated_at_day
order by fact.updated_at_day;
