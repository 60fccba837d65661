-- Place: local
create table if not exists {{ reporting }}.engagement_funnel (
    cohort_start date not null,
    slice text not null,
    slice_value text not null,
    users bigint not null,
    eligible_users bigint not null,
    searched bigint not null,
    earned bigint not null,
    redeemed bigint not null,
    earned_any bigint not null,
    redeemed_any bigint not null,
    search_rate numeric,
    earn_rate numeric,
    redeem_rate numeric,
    overall_rate numeric,
    median_days_to_earn numeric,
    median_days_to_redeem numeric,
    is_complete boolean not null,
    constraint engagement_funnel_key primary key (cohort_start, slice, slice_value)
);

comment on table {{ reporting }}.engagement_funnel is
'From search to earn to redeem within conversion_days x 24 hours of the first event of a user. One '
'row per month of the first event and slice value.';
comment on column {{ reporting }}.engagement_funnel.cohort_start is
'First day of the month of the first event of these users.';
comment on column {{ reporting }}.engagement_funnel.slice is
'all, country, platform or utm_source.';
comment on column {{ reporting }}.engagement_funnel.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.engagement_funnel.users is 'Users of the cohort.';
comment on column {{ reporting }}.engagement_funnel.eligible_users is
'Of these, users whose conversion_days x 24 hours are over; all other counts are of them.';
comment on column {{ reporting }}.engagement_funnel.searched is
'Of the eligible, users who searched for a reward within these hours.';
comment on column {{ reporting }}.engagement_funnel.earned is
'Of those who searched, users who earned miles after the first search.';
comment on column {{ reporting }}.engagement_funnel.redeemed is
'Of those who earned, users who redeemed miles after that earning.';
comment on column {{ reporting }}.engagement_funnel.earned_any is
'Of the eligible, users who earned miles, with or without a search before.';
comment on column {{ reporting }}.engagement_funnel.redeemed_any is
'Of the eligible, users who redeemed miles, in any order.';
comment on column {{ reporting }}.engagement_funnel.search_rate is
'searched / eligible_users; null while nobody is eligible.';
comment on column {{ reporting }}.engagement_funnel.earn_rate is
'earned / searched; null when nobody searched.';
comment on column {{ reporting }}.engagement_funnel.redeem_rate is
'redeemed / earned; null when nobody earned.';
comment on column {{ reporting }}.engagement_funnel.overall_rate is
'redeemed / eligible_users; null while nobody is eligible.';
comment on column {{ reporting }}.engagement_funnel.median_days_to_earn is
'Days from the first search to that earning, of those who earned.';
comment on column {{ reporting }}.engagement_funnel.median_days_to_redeem is
'Days from that earning to that redemption, of those who redeemed.';
comment on column {{ reporting }}.engagement_funnel.is_complete is
'Whether the hours of all users of the month are over.';
