-- Place: local
create table if not exists {{ warehouse }}.last_day (
    last_day date not null,
    constraint last_day_key primary key (last_day)
);

comment on table {{ warehouse }}.last_day is
'The last day of the data. One row; none without an event that counts.';
comment on column {{ warehouse }}.last_day.last_day is
'Newest day of an event that counts; the day on which it arrived where its clock ran ahead.';
