-- Place: local
create table if not exists {{ reporting }}.active_days_monthly (
    month date not null,
    active_days integer not null,
    slice text not null,
    slice_value text not null,
    users bigint not null,
    is_complete boolean not null,
    constraint active_days_monthly_key primary key (month, active_days, slice, slice_value)
);

comment on table {{ reporting }}.active_days_monthly is
'On how many days of a month users are active. One row per month, number of days and slice value '
'with a user.';
comment on column {{ reporting }}.active_days_monthly.month is 'First day of the month.';
comment on column {{ reporting }}.active_days_monthly.active_days is
'Number of active days in the month, 1 to 31.';
comment on column {{ reporting }}.active_days_monthly.slice is
'all, country, platform or utm_source.';
comment on column {{ reporting }}.active_days_monthly.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.active_days_monthly.users is
'Users with that many active days in the month.';
comment on column {{ reporting }}.active_days_monthly.is_complete is
'Whether the data go beyond the last day of the month.';
