select
    day,
    dau_7d_average,
    wau,
    burn_rate
from reporting.kpi_daily
where slice = 'all'
