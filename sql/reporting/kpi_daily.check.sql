-- Each day with a balance of miles is a day of users and the other way round, and has its miles.

select
    day, slice, slice_value,
    kpis.miles_earned as miles_earned_of_kpis,
    kpis.miles_redeemed as miles_redeemed_of_kpis,
    balance.miles_earned, balance.miles_redeemed
from {{ reporting }}.kpi_daily as kpis
full join {{ reporting }}.miles_balance_daily as balance using (day, slice, slice_value)
where
    kpis.miles_earned is distinct from balance.miles_earned
    or kpis.miles_redeemed is distinct from balance.miles_redeemed
