create table if not exists {{ reporting }}.orders_daily (
    day date not null,
    row_count bigint not null,
    constraint orders_daily_key primary key (day)
);

comment on table {{ reporting }}.orders_daily is
'Rows of public.orders by the day on which they last changed. One row per such day.';
comment on column {{ reporting }}.orders_daily.day is 'Calendar day in reporting_timezone.';
comment on column {{ reporting }}.orders_daily.row_count is 'Rows that last changed on it.';
