create table if not exists {{ warehouse }}.changed_refunds (
    refund_id bigint not null,
    order_id bigint not null,
    constraint changed_refunds_key primary key (refund_id, order_id)
);

comment on table {{ warehouse }}.changed_refunds is
'Refunds that came, changed or went since the last build. One row per refund and order, new or former.';
comment on column {{ warehouse }}.changed_refunds.refund_id is 'Key of the refund.';
comment on column {{ warehouse }}.changed_refunds.order_id is
'The order that it belongs to, or did.';
