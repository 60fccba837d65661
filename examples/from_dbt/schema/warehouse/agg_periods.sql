create table if not exists {{ warehouse }}.agg_periods (
    grain text not null,
    period_start date not null,
    active_users bigint not null,
    retained_users bigint not null,
    constraint agg_periods_key primary key (grain, period_start)
);

comment on table {{ warehouse }}.agg_periods is
'Users of a period, and those of them who were active in the one before. One row per period.';
