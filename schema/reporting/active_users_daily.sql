-- Place: local
create table if not exists {{ reporting }}.active_users_daily (
    day date not null,
    slice text not null,
    slice_value text not null,
    dau bigint not null,
    wau bigint not null,
    mau bigint not null,
    stickiness numeric,
    is_window_full boolean not null,
    is_complete boolean not null,
    constraint active_users_daily_key primary key (day, slice, slice_value)
);

comment on table {{ reporting }}.active_users_daily is
'How many users are active on a day, in a week and in four weeks. One row per day and slice '
'value, from its first day on.';
comment on column {{ reporting }}.active_users_daily.day is 'Calendar day in reporting_timezone.';
comment on column {{ reporting }}.active_users_daily.slice is
'all, country, platform or utm_source.';
comment on column {{ reporting }}.active_users_daily.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.active_users_daily.dau is 'Users active that day.';
comment on column {{ reporting }}.active_users_daily.wau is
'Users active in the 7 days ending that day.';
comment on column {{ reporting }}.active_users_daily.mau is
'Users active in the 28 days ending that day.';
comment on column {{ reporting }}.active_users_daily.stickiness is
'Mean dau of the 28 days ending that day / mau; null until there are 28.';
comment on column {{ reporting }}.active_users_daily.is_window_full is
'Whether the slice value has existed for 28 days.';
comment on column {{ reporting }}.active_users_daily.is_complete is
'Whether the data go beyond the day.';
