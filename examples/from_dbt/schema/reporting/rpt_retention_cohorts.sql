create table if not exists {{ reporting }}.rpt_retention_cohorts (
    cohort_week date not null,
    week_number integer not null,
    cohort_users bigint not null,
    active_users bigint not null,
    retention_rate numeric(7, 4) not null,
    constraint rpt_retention_cohorts_key primary key (cohort_week, week_number)
);

comment on table {{ reporting }}.rpt_retention_cohorts is
'Users of a first week who were active in a later one. One row per pair of weeks.';
