-- The key is kept as text, which fits every type. Use its own type, here and in the scripts, once
-- that matters.

create table if not exists {{ warehouse }}.fact_orders (
    updated_at_day date not null,
    order_id text not null,
    updated_at timestamptz not null,
    constraint fact_orders_key primary key (updated_at_day, order_id)
);

comment on table {{ warehouse }}.fact_orders is 'One row per row of public.orders.';
comment on column {{ warehouse }}.fact_orders.updated_at_day is
'Calendar day of updated_at in reporting_timezone.';
comment on column {{ warehouse }}.fact_orders.order_id is 'Key of the source row.';
comment on column {{ warehouse }}.fact_orders.updated_at is 'When the row last changed.';
