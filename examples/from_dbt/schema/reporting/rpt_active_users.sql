create table if not exists {{ reporting }}.rpt_active_users (
    date_day date not null,
    dau bigint not null,
    wau bigint not null,
    mau bigint not null,
    constraint rpt_active_users_key primary key (date_day)
);

comment on table {{ reporting }}.rpt_active_users is
'Distinct users of a day, and of the 7 and 30 days that end on it. One row per day.';
