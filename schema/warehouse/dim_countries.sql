-- Place: local
create table if not exists {{ warehouse }}.dim_countries (
    country text not null,
    first_seen_date date not null,
    constraint dim_countries_key primary key (country)
);

comment on table {{ warehouse }}.dim_countries is
'Countries. One row per country seen in an event.';
comment on column {{ warehouse }}.dim_countries.country is 'The country.';
comment on column {{ warehouse }}.dim_countries.first_seen_date is 'Day of its oldest event.';
