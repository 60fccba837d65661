create table if not exists {{ reporting }}.rpt_growth_accounting (
    grain text not null,
    period_start date not null,
    active_users bigint not null,
    new_users bigint not null,
    retained_users bigint not null,
    resurrected_users bigint not null,
    churned_users bigint not null,
    constraint rpt_growth_accounting_key primary key (grain, period_start)
);

comment on table {{ reporting }}.rpt_growth_accounting is
'Users who came, stayed, came back and left. One row per day, week or month.';
