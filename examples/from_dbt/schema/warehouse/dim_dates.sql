create table if not exists {{ warehouse }}.dim_dates (
    date_day date not null,
    week_start date not null,
    month_start date not null,
    iso_day_of_week integer not null,
    is_weekend boolean not null,
    constraint dim_dates_key primary key (date_day)
);

comment on table {{ warehouse }}.dim_dates is 'Every day from the first event to the last.';
