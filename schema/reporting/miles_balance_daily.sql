-- Place: local
create table if not exists {{ reporting }}.miles_balance_daily (
    day date not null,
    slice text not null,
    slice_value text not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    net_miles numeric not null,
    outstanding_miles numeric not null,
    burn_rate numeric,
    is_complete boolean not null,
    constraint miles_balance_daily_key primary key (day, slice, slice_value)
);

comment on table {{ reporting }}.miles_balance_daily is
'What the programme owes. One row per day and slice value, from its first day on.';
comment on column {{ reporting }}.miles_balance_daily.day is 'Calendar day in reporting_timezone.';
comment on column {{ reporting }}.miles_balance_daily.slice is
'all, country, platform or utm_source.';
comment on column {{ reporting }}.miles_balance_daily.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.miles_balance_daily.miles_earned is 'Miles earned that day.';
comment on column {{ reporting }}.miles_balance_daily.miles_redeemed is 'Miles redeemed that day.';
comment on column {{ reporting }}.miles_balance_daily.net_miles is 'Miles earned - redeemed.';
comment on column {{ reporting }}.miles_balance_daily.outstanding_miles is
'All net_miles up to that day: what users hold and may still spend.';
comment on column {{ reporting }}.miles_balance_daily.burn_rate is
'Miles redeemed / earned over the 28 days ending that day; null when none were earned.';
comment on column {{ reporting }}.miles_balance_daily.is_complete is
'Whether the data go beyond the day.';
