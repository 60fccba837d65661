create table if not exists {{ warehouse }}.agg_user_periods (
    grain text not null,
    period_start date not null,
    user_id text not null,
    constraint agg_user_periods_key primary key (grain, period_start, user_id)
);

comment on table {{ warehouse }}.agg_user_periods is
'Weeks and months in which a user was active. One row per grain, period and user.';
