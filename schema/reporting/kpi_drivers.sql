-- Place: local
create table if not exists {{ reporting }}.kpi_drivers (
    grain text not null,
    period_start date not null,
    figure text not null,
    slice text not null,
    slice_value text not null,
    value numeric not null,
    previous_value numeric not null,
    change numeric not null,
    share_of_change numeric,
    rank bigint not null,
    constraint kpi_drivers_key primary key (grain, period_start, figure, slice, slice_value)
);

comment on table {{ reporting }}.kpi_drivers is
'Which countries, platforms and sources moved a figure against the period before. One row per '
'grain, period, figure and member with an event in one of the two.';
comment on column {{ reporting }}.kpi_drivers.grain is 'week (ISO) or month.';
comment on column {{ reporting }}.kpi_drivers.period_start is
'First day of the period, which is complete.';
comment on column {{ reporting }}.kpi_drivers.figure is
'active_users, new_users, miles_earned or miles_redeemed.';
comment on column {{ reporting }}.kpi_drivers.slice is 'country, platform or utm_source.';
comment on column {{ reporting }}.kpi_drivers.slice_value is 'Member of the slice.';
comment on column {{ reporting }}.kpi_drivers.value is
'The figure in the period; 0 without an event.';
comment on column {{ reporting }}.kpi_drivers.previous_value is
'The figure in the period before; 0 without an event.';
comment on column {{ reporting }}.kpi_drivers.change is 'value - previous_value.';
comment on column {{ reporting }}.kpi_drivers.share_of_change is
'change / the change of all users together; null when that is 0.';
comment on column {{ reporting }}.kpi_drivers.rank is
'1 for the largest change of the slice, up or down; ties by slice_value.';
