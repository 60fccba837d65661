create table if not exists {{ reporting }}.engagement_funnel (
    cohort_start date not null,
    slice text not null,
    slice_value text not null,
    users bigint not null,
    searched bigint not null,
    earned bigint not null,
    redeemed bigint not null,
    search_rate numeric not null,
    earn_rate numeric,
    redeem_rate numeric,
    median_days_to_earn numeric,
    median_days_to_redeem numeric,
    constraint engagement_funnel_key primary key (cohort_start, slice, slice_value)
);

comment on table {{ reporting }}.engagement_funnel is
'From search to earn to redeem. One row per month of the first event and slice value.';
comment on column {{ reporting }}.engagement_funnel.cohort_start is
'First day of the month of the first event of these users.';
comment on column {{ reporting }}.engagement_funnel.slice is
'all, country, platform or utm_source.';
comment on column {{ reporting }}.engagement_funnel.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.engagement_funnel.users is 'Users of the cohort.';
comment on column {{ reporting }}.engagement_funnel.searched is
'Of these, who searched for a reward.';
comment on column {{ reporting }}.engagement_funnel.earned is
'Of those, who earned miles after the first search.';
comment on column {{ reporting }}.engagement_funnel.redeemed is
'Of those, who redeemed miles after that earning.';
comment on column {{ reporting }}.engagement_funnel.search_rate is 'searched / users.';
comment on column {{ reporting }}.engagement_funnel.earn_rate is
'earned / searched; null when nobody searched.';
comment on column {{ reporting }}.engagement_funnel.redeem_rate is
'redeemed / earned; null when nobody earned.';
comment on column {{ reporting }}.engagement_funnel.median_days_to_earn is
'Days from the first search to that earning, of those who earned.';
comment on column {{ reporting }}.engagement_funnel.median_days_to_redeem is
'Days from that earning to that redemption, of those who redeemed.';
