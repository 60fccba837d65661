create table if not exists {{ warehouse }}.dim_dates (
    calendar_date date not null,
    month date not null,
    constraint dim_dates_key primary key (calendar_date)
);

comment on table {{ warehouse }}.dim_dates is
'Every day from the first order to the last.';
comment on column {{ warehouse }}.dim_dates.calendar_date is 'The day.';
comment on column {{ warehouse }}.dim_dates.month is 'First day of its month.';
