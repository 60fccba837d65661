-- Place: local
create table if not exists {{ reporting }}.kpi_periods (
    grain text not null,
    period_start date not null,
    slice text not null,
    slice_value text not null,
    active_users bigint not null,
    new_users bigint not null,
    events bigint not null,
    events_per_active_user numeric,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    net_miles numeric not null,
    outstanding_miles numeric not null,
    earning_users bigint not null,
    redeeming_users bigint not null,
    miles_per_active_user numeric,
    redemption_rate numeric,
    active_change numeric,
    new_change numeric,
    earned_change numeric,
    redeemed_change numeric,
    is_complete boolean not null,
    constraint kpi_periods_key primary key (grain, period_start, slice, slice_value)
);

comment on table {{ reporting }}.kpi_periods is
'The totals of a day, week or month. One row per grain, period and slice value, from its first '
'period on.';
comment on column {{ reporting }}.kpi_periods.grain is 'day, week (ISO) or month.';
comment on column {{ reporting }}.kpi_periods.period_start is 'First day of the period.';
comment on column {{ reporting }}.kpi_periods.slice is 'all, country, platform or utm_source.';
comment on column {{ reporting }}.kpi_periods.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.kpi_periods.active_users is 'Users active in the period.';
comment on column {{ reporting }}.kpi_periods.new_users is 'Of these, active for the first time.';
comment on column {{ reporting }}.kpi_periods.events is 'Events that count.';
comment on column {{ reporting }}.kpi_periods.events_per_active_user is
'events / active_users; null without any.';
comment on column {{ reporting }}.kpi_periods.miles_earned is 'Miles earned.';
comment on column {{ reporting }}.kpi_periods.miles_redeemed is 'Miles redeemed.';
comment on column {{ reporting }}.kpi_periods.net_miles is 'miles_earned - miles_redeemed.';
comment on column {{ reporting }}.kpi_periods.outstanding_miles is
'All net miles up to the end of the period.';
comment on column {{ reporting }}.kpi_periods.earning_users is
'Users with an event that earned miles, even 0.';
comment on column {{ reporting }}.kpi_periods.redeeming_users is
'Users with an event that redeemed miles, even 0.';
comment on column {{ reporting }}.kpi_periods.miles_per_active_user is
'miles_earned / active_users; null without any.';
comment on column {{ reporting }}.kpi_periods.redemption_rate is
'miles_redeemed / miles_earned; null when none were earned.';
comment on column {{ reporting }}.kpi_periods.active_change is
'active_users / those of the period before - 1. Null, as the other changes, while the period '
'runs and without a full period before.';
comment on column {{ reporting }}.kpi_periods.new_change is 'The same for new_users.';
comment on column {{ reporting }}.kpi_periods.earned_change is 'The same for miles_earned.';
comment on column {{ reporting }}.kpi_periods.redeemed_change is 'The same for miles_redeemed.';
comment on column {{ reporting }}.kpi_periods.is_complete is
'Whether the data go beyond the last day of the period.';
