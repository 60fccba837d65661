-- Place: local
create table if not exists {{ warehouse }}.dim_dates (
    calendar_date date not null,
    week_start date not null,
    month_start date not null,
    quarter_start date not null,
    iso_year integer not null,
    iso_week integer not null,
    weekday integer not null,
    is_weekend boolean not null,
    constraint dim_dates_key primary key (calendar_date)
);

comment on table {{ warehouse }}.dim_dates is
'The calendar, from the first day with an event to the last. One row per date.';
comment on column {{ warehouse }}.dim_dates.calendar_date is 'The date.';
comment on column {{ warehouse }}.dim_dates.week_start is 'Monday of its ISO week.';
comment on column {{ warehouse }}.dim_dates.month_start is 'First day of its month.';
comment on column {{ warehouse }}.dim_dates.quarter_start is 'First day of its quarter.';
comment on column {{ warehouse }}.dim_dates.iso_year is 'Year that the ISO week belongs to.';
comment on column {{ warehouse }}.dim_dates.iso_week is 'Number of the ISO week.';
comment on column {{ warehouse }}.dim_dates.weekday is '1 is Monday, 7 is Sunday.';
comment on column {{ warehouse }}.dim_dates.is_weekend is 'Saturday or Sunday.';
