create table if not exists {{ warehouse }}.agg_user_periods (
    user_id text not null,
    grain text not null,
    period_start date not null,
    first_period date not null,
    previous_period date,
    next_period date,
    constraint agg_user_periods_key primary key (user_id, grain, period_start)
);

comment on table {{ warehouse }}.agg_user_periods is
'A period in which a user was active, with its neighbours.';
comment on column {{ warehouse }}.agg_user_periods.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_periods.grain is 'day, week (ISO) or month.';
comment on column {{ warehouse }}.agg_user_periods.period_start is 'First day of the period.';
comment on column {{ warehouse }}.agg_user_periods.first_period is
'The first period in which the user was active.';
comment on column {{ warehouse }}.agg_user_periods.previous_period is
'The active period before this one; null in the first.';
comment on column {{ warehouse }}.agg_user_periods.next_period is
'The active period after this one; null in the last so far.';

-- Who came back a week and four weeks after the first one; few rows of many.
create index if not exists agg_user_periods_of_first_weeks on {{ warehouse }}.agg_user_periods (
    user_id, period_start, first_period
)
where grain = 'week' and period_start - first_period in (7, 28);
