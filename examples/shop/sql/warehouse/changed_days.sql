-- warehouse.changed_days
-- Grain: one row per day (order_day).
-- Rerun: whole; the same runs of the pipelines give the same rows.
-- Why:   a day is recomputed in full, so nothing has to be added up or taken back. A customer who
--        moves takes old orders along to another country.

delete from {{ this }};

insert into {{ this }} (order_day)
select distinct order_day
from {{ warehouse }}.changed_orders
{{ incremental }} union
{{ incremental }} select order_day
{{ incremental }} from {{ warehouse }}.fact_orders
{{ incremental }} inner join {{ warehouse }}.changed_customers using (customer_id)
;

analyze {{ this }};
