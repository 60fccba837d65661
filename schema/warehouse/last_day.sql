-- Place: local
create table if not exists {{ warehouse }}.last_day (
    last_day date not null,
    constraint last_day_key primary key (last_day)
);

comment on table {{ warehouse }}.last_day is
'Where the data end. One row; none without an event that counts.';
comment on column {{ warehouse }}.last_day.last_day is
'Newest day of which an event gives proof: by its time, but by no clock that runs ahead.';
