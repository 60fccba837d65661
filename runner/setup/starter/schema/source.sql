-- The example source: the orders of a shop. An existing table of that name is left alone.
-- Delete this file once the pipeline reads a table of your own.

do $$
begin
    if to_regclass('public.orders') is null then
        create table public.orders (
            order_id bigint generated always as identity,
            customer text not null,
            amount numeric not null,
            updated_at timestamptz not null default now(),
            constraint orders_key primary key (order_id)
        );

        comment on table public.orders is
        'What customers ordered. One row per order; rows are updated.';
        comment on column public.orders.order_id is 'Key, given by the database.';
        comment on column public.orders.customer is 'Who ordered.';
        comment on column public.orders.amount is 'What it costs.';
        comment on column public.orders.updated_at is
        'When the row last changed: the cursor of ingestion. Every update has to set it.';

        -- Ingestion reads windows of updated_at.
        create index orders_updated_at on public.orders (updated_at);

        insert into public.orders (customer, amount, updated_at)
        select
            (array['ada', 'ben', 'cy'])[1 + numbers.number % 3] as customer,
            10 + numbers.number * 7 % 50 as amount,
            now() - numbers.number * interval '7 hours' as updated_at
        from generate_series(1, 20) as numbers (number)
        order by updated_at;
    end if;
end
$$;
