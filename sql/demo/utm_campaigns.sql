-- demo.utm_campaigns
-- Grain: fills public.utm_campaigns; one row per source of users that marketing knows.
-- Rerun: changes only what differs, and nothing in a further batch.
-- Why:   acquisition compares what a source brings with what it costs.
--
-- Two of the sources in event_stream, partner_app and qr_code, have no campaign. Budgets follow
-- the number of users, so that the cost of one is believable in any size.

insert into public.utm_campaigns as known (
    utm_source,
    campaign,
    channel,
    is_paid,
    monthly_cost,
    updated_at
)
with campaigns (utm_source, campaign, channel, is_paid, cost_per_user) as (
    values
    -- The cost per user who arrives in a month, from whatever source.
    ('organic', null, 'organic', false, 0),
    ('google', 'search_miles', 'search', true, 0.90),
    ('facebook', 'lookalike_travellers', 'social', true, 0.75),
    ('tiktok', 'creator_challenge', 'social', true, 0.40),
    ('referral', 'friends_fly_together', 'referral', true, 0.25),
    ('affiliate', 'card_comparison', 'referral', true, 0.30),
    ('newsletter', 'monthly_digest', 'email', false, null)
)

select
    campaigns.utm_source,
    campaigns.campaign,
    campaigns.channel,
    campaigns.is_paid,
    round(campaigns.cost_per_user * {{ users }} * 30 / {{ days }}, 2) as monthly_cost,
    {{ start_time }} as updated_at
from campaigns
where not {{ is_append }}
on conflict (utm_source) do update
    set
        campaign = excluded.campaign,
        channel = excluded.channel,
        is_paid = excluded.is_paid,
        monthly_cost = excluded.monthly_cost,
        updated_at = excluded.updated_at
    where
    (known.campaign, known.channel, known.is_paid, known.monthly_cost)
    is distinct from
    (excluded.campaign, excluded.channel, excluded.is_paid, excluded.monthly_cost);
