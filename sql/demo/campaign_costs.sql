-- demo.campaign_costs
-- Grain: fills public.campaign_costs; one row per source of users and month that it was paid for.
-- Rerun: changes nothing; a further batch adds the months that are new, at the price of the last.
-- Why:   what a source cost in a month is known for that month, and stays. Budgets grow with the
--        number of users; of affiliate nothing is known but what it costs a month now.

insert into public.campaign_costs (utm_source, month, cost, updated_at)
with sources (utm_source, cost_per_user) as (
    values
    ('google', 0.90),
    ('facebook', 0.75),
    ('tiktok', 0.40),
    ('referral', 0.25)
),

span as (
    select
        {{ start_time }}::timestamptz at time zone 'utc' as starts_at,
        {{ end_time }}::timestamptz at time zone 'utc' as ends_at
),

-- A month is paid for as a whole, also the one that runs; the first one from the first day on.
months as (
    select
        month,
        greatest(month, starts_at) as paid_from,
        month + interval '1 month' as paid_until,
        starts_at,
        ends_at
    from span
    cross join generate_series(
        date_trunc('month', starts_at), date_trunc('month', ends_at), interval '1 month'
    ) as months (month)
),

shares as (
    select
        month,
        extract(epoch from paid_until - paid_from) / extract(epoch from ends_at - starts_at)
        * (
            0.6 + 0.4 * extract(epoch from (paid_from - starts_at) + (paid_until - starts_at))
            / extract(epoch from ends_at - starts_at)
        ) as share
    from months
),

newest as (
    select distinct on (utm_source)
        utm_source, month, cost
    from public.campaign_costs
    order by utm_source, month desc
)

-- Prices vary by a tenth, up or down.
select
    sources.utm_source,
    shares.month::date as month,
    round(
        sources.cost_per_user * {{ users }} * shares.share
        * (
            0.9 + 0.2 * ('x' || left(md5({{ seed }} || sources.utm_source || shares.month), 7))
            ::bit(28)::integer / 268435456
        ),
        2
    ) as cost,
    {{ end_time }} as updated_at
from sources
cross join shares
where not {{ is_append }}
union all
select
    newest.utm_source,
    months.month::date as month,
    newest.cost,
    {{ end_time }} as updated_at
from newest
inner join months on months.month > newest.month
where {{ is_append }}
on conflict (utm_source, month) do nothing;
