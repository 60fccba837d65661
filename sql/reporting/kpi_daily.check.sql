-- kpi_daily and miles_balance_daily have the same days and slice values, with the same miles.

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
