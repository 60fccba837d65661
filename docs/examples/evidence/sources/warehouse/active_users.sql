select
    day,
    dau,
    wau,
    mau,
    is_window_full
from reporting.active_users_daily
where slice = 'all'
