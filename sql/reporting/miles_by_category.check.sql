-- In every slice, the miles and transactions of a day's categories are those of the day. An
-- incremental build checks the changed days.

with reported as (
    select
        period_start as day,
        slice, slice_value,
        sum(miles) filter (where direction = 'earned') as miles_earned,
        sum(miles) filter (where direction = 'redeemed') as miles_redeemed,
        sum(transactions) as transactions
    from {{ reporting }}.miles_by_category
    where
        grain = 'day'
        {{ incremental }} and period_start in (
        {{ incremental }}     select event_date
        {{ incremental }}     from {{ warehouse }}.changed_user_days
        {{ incremental }} )
    group by period_start, slice, slice_value
)

select
    engagement.event_date as day,
    engagement.slice, engagement.slice_value,
    reported.miles_earned as reported_miles_earned,
    engagement.miles_earned,
    reported.miles_redeemed as reported_miles_redeemed,
    engagement.miles_redeemed,
    reported.transactions as reported_transactions,
    engagement.earned_count + engagement.redeemed_count as transactions
from {{ warehouse }}.agg_engagement_daily as engagement
left join reported
    on
        reported.day = engagement.event_date
        and reported.slice = engagement.slice
        and reported.slice_value = engagement.slice_value
where
    (
        coalesce(reported.miles_earned, 0) <> engagement.miles_earned
        or coalesce(reported.miles_redeemed, 0) <> engagement.miles_redeemed
        or coalesce(reported.transactions, 0)
        <> engagement.earned_count + engagement.redeemed_count
    )
    {{ incremental }} and engagement.event_date in (
    {{ incremental }}     select changed.event_date
    {{ incremental }}     from {{ warehouse }}.changed_user_days as changed
    {{ incremental }} )
