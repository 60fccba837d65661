create table if not exists {{ reporting }}.refund_reasons (
    month date not null,
    reason text not null,
    refunds bigint not null,
    amount numeric not null,
    median_days numeric,
    constraint refund_reasons_key primary key (month, reason)
);

comment on table {{ reporting }}.refund_reasons is
'Why and how soon customers want their money back. One row per month and reason.';
comment on column {{ reporting }}.refund_reasons.month is 'First day of the month of the refund.';
comment on column {{ reporting }}.refund_reasons.reason is 'Reason, or unknown.';
comment on column {{ reporting }}.refund_reasons.refunds is 'Refunds.';
comment on column {{ reporting }}.refund_reasons.amount is 'What was paid back.';
comment on column {{ reporting }}.refund_reasons.median_days is
'Median of the days from order to refund; null if no order is known.';
