create table if not exists {{ warehouse }}.fact_refunds (
    refund_id bigint not null,
    order_id bigint not null,
    refund_day date not null,
    reason text not null,
    amount numeric not null,
    constraint fact_refunds_key primary key (refund_id)
);

create index if not exists fact_refunds_order on {{ warehouse }}.fact_refunds (order_id);

comment on table {{ warehouse }}.fact_refunds is
'One row per refund.';
comment on column {{ warehouse }}.fact_refunds.refund_id is 'Key of the refund.';
comment on column {{ warehouse }}.fact_refunds.order_id is 'The order that it belongs to.';
comment on column {{ warehouse }}.fact_refunds.refund_day is
'Day of refunded_at in reporting_timezone.';
comment on column {{ warehouse }}.fact_refunds.reason is 'Why, or unknown.';
comment on column {{ warehouse }}.fact_refunds.amount is 'What was paid back.';
