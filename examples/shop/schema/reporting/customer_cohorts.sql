create table if not exists {{ reporting }}.customer_cohorts (
    cohort_month date not null,
    month_number integer not null,
    cohort_size bigint not null,
    customers bigint not null,
    share numeric not null,
    constraint customer_cohorts_key primary key (cohort_month, month_number)
);

comment on table {{ reporting }}.customer_cohorts is
'Who orders again? One row per month of the first order and number of months after it.';
comment on column {{ reporting }}.customer_cohorts.cohort_month is 'Month of the first order.';
comment on column {{ reporting }}.customer_cohorts.month_number is
'0 is that month, 1 the one after it.';
comment on column {{ reporting }}.customer_cohorts.cohort_size is
'Customers whose first order was in cohort_month.';
comment on column {{ reporting }}.customer_cohorts.customers is
'Of these, who ordered month_number months later.';
comment on column {{ reporting }}.customer_cohorts.share is 'customers / cohort_size.';
