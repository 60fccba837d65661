-- Place: local
create table if not exists {{ reporting }}.kpi_daily (
    day date not null,
    slice text not null,
    slice_value text not null,
    dau bigint not null,
    dau_7d_average numeric not null,
    wau bigint not null,
    mau bigint not null,
    stickiness numeric,
    new_users bigint not null,
    events bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    burn_rate numeric,
    is_complete boolean not null,
    constraint kpi_daily_key primary key (day, slice, slice_value)
);

comment on table {{ reporting }}.kpi_daily is
'The headline numbers. One row per day and slice value, from its first day on.';
comment on column {{ reporting }}.kpi_daily.day is 'Calendar day in reporting_timezone.';
comment on column {{ reporting }}.kpi_daily.slice is 'all, country, platform or utm_source.';
comment on column {{ reporting }}.kpi_daily.slice_value is 'Member of the slice; all in slice all.';
comment on column {{ reporting }}.kpi_daily.dau is 'Users active that day.';
comment on column {{ reporting }}.kpi_daily.dau_7d_average is
'Mean dau of the 7 days ending that day, or of the days there are.';
comment on column {{ reporting }}.kpi_daily.wau is 'Users active in the 7 days ending that day.';
comment on column {{ reporting }}.kpi_daily.mau is 'Users active in the 28 days ending that day.';
comment on column {{ reporting }}.kpi_daily.stickiness is
'Mean dau of the 28 days ending that day / mau; null until there are 28.';
comment on column {{ reporting }}.kpi_daily.new_users is 'Users active for the first time.';
comment on column {{ reporting }}.kpi_daily.events is 'Events that count.';
comment on column {{ reporting }}.kpi_daily.miles_earned is 'Miles earned.';
comment on column {{ reporting }}.kpi_daily.miles_redeemed is 'Miles redeemed.';
comment on column {{ reporting }}.kpi_daily.burn_rate is
'Miles redeemed / earned over the 28 days ending that day; null when none were earned.';
comment on column {{ reporting }}.kpi_daily.is_complete is 'Whether the data go beyond the day.';
