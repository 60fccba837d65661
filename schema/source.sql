-- The source: what the application writes. On a server of your own these tables usually exist
-- already; `if not exists` then leaves them as they are.
{% if source.event_stream.relation == 'public.event_stream' %}
create table if not exists public.event_stream (
    event_id bigint generated always as identity,
    event_time timestamptz not null,
    user_id text,
    event_type text,
    transaction_category text,
    miles_amount numeric,
    platform text,
    utm_source text,
    country text,
    created_at timestamptz not null default now(),
    constraint event_stream_key primary key (event_id),
    constraint miles_amount_is_not_negative check (miles_amount >= 0)
);

comment on table public.event_stream is
'What users did in the app. One row per event; rows are only ever added.';
comment on column public.event_stream.event_id is
'Key, given by the database in the order of insertion.';
comment on column public.event_stream.event_time is 'When it happened, by the clock of the device.';
comment on column public.event_stream.user_id is 'Who did it; null when nobody was signed in.';
comment on column public.event_stream.event_type is
'miles_earned, miles_redeemed, reward_search, share or like; anything else is kept and counted as '
'unclassified.';
comment on column public.event_stream.transaction_category is
'What the miles were earned or spent on, or the partner that was searched for; null for likes and '
'shares.';
comment on column public.event_stream.miles_amount is
'Miles earned or redeemed; null for everything else.';
comment on column public.event_stream.platform is 'ios, android or web.';
comment on column public.event_stream.utm_source is 'The campaign source that brought the user.';
comment on column public.event_stream.country is 'ISO 3166 code of the country.';
comment on column public.event_stream.created_at is
'When the row arrived: the cursor of ingestion. Never before its transaction began.';

-- Ingestion reads windows of created_at and asks for the oldest row behind its watermark: a btree
-- serves both.
create index if not exists event_stream_created_at on public.event_stream (created_at);
{% endif %}
create table if not exists public.utm_campaigns (
    utm_source text,
    campaign text,
    channel text,
    is_paid boolean not null default false,
    monthly_cost numeric,
    updated_at timestamptz not null default now(),
    constraint utm_campaigns_key primary key (utm_source),
    constraint monthly_cost_is_not_negative check (monthly_cost >= 0 and monthly_cost < 'infinity')
);

comment on table public.utm_campaigns is
'What marketing knows about each source of users. One row per utm_source; rows are updated.';
comment on column public.utm_campaigns.utm_source is 'Key: the utm_source of the events.';
comment on column public.utm_campaigns.campaign is
'Name of the campaign that runs on this source now.';
comment on column public.utm_campaigns.channel is 'organic, search, social, referral or email.';
comment on column public.utm_campaigns.is_paid is 'Whether the source costs money.';
comment on column public.utm_campaigns.monthly_cost is
'What it costs a month now, used where campaign_costs has no rows of it; null if nothing is known.';
comment on column public.utm_campaigns.updated_at is
'When the row last changed: the cursor of ingestion.';

-- The same reason as above.
create index if not exists utm_campaigns_updated_at on public.utm_campaigns (updated_at);

create table if not exists public.campaign_costs (
    utm_source text,
    month date,
    cost numeric not null,
    updated_at timestamptz not null default now(),
    constraint campaign_costs_key primary key (utm_source, month),
    constraint month_is_finite check (isfinite(month)),
    constraint cost_is_not_negative check (cost >= 0 and cost < 'infinity')
);

comment on table public.campaign_costs is
'What each source of users cost in a month. One row per utm_source and month; rows are updated.';
comment on column public.campaign_costs.utm_source is 'Key: the utm_source of the events.';
comment on column public.campaign_costs.month is
'Key: the month, as any of its days; several rows of one month are added up.';
comment on column public.campaign_costs.cost is 'What the source cost in that month.';
comment on column public.campaign_costs.updated_at is
'When the row last changed: the cursor of ingestion.';

-- The same reason as above.
create index if not exists campaign_costs_updated_at on public.campaign_costs (updated_at);
