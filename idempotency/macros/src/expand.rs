//! The function, made into a type that implements `Handler`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::{
    Error, FnArg, GenericArgument, Ident, ItemFn, Pat, PatType, PathArguments, Result, ReturnType,
    Signature, Type, parse2, spanned::Spanned as _,
};

use crate::arguments::{Arguments, Backoff, Mode, OnLost, Order};

/// Writes the handler's type with its implementation.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments: Arguments = parse2(arguments)?;
    let function: ItemFn = parse2(item)?;
    let parts = Parts::of(&function.sig, arguments.mode)?;
    let ItemFn { attrs, vis, sig, block, .. } = &function;
    let (name, statements) = (&sig.ident, &block.stmts);
    let (event, context, output) = (parts.event, parts.context, parts.output);
    let Parts { data, result, .. } = parts;
    // Braces keep the type out of the namespace of values, where it would be taken for a pattern in
    // `let charge = …`; what stands there is a function, which may be shadowed.
    let (field, parameter, argument, shared) = match parts.shared {
        Some((pattern, shared)) => {
            let held = quote!(::std::sync::Arc<#shared>);
            let parameter = quote!(shared: impl ::std::convert::Into<#held>);
            let argument = quote!(shared: ::std::convert::Into::into(shared));
            (
                quote!(shared: #held),
                parameter,
                argument,
                quote!(let #pattern: &#shared = &self.shared;),
            )
        }
        None => <_>::default(),
    };
    let mode = format_ident!("{}", marker(arguments.mode));
    let terms = terms(&arguments);
    let key = key(&arguments, data);
    let text = name.to_string();
    let described = format!("The handler that [`{name}`]({name}()) gives.");
    Ok(quote! {
        #(#attrs)*
        #vis fn #name(#parameter) -> #name {
            #name { #argument }
        }

        #[doc = #described]
        #[allow(non_camel_case_types, reason = "the type stands for the function of this name")]
        #[derive(Clone)]
        #vis struct #name { #field }

        impl ::std::fmt::Debug for #name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(#text)
            }
        }

        impl ::headgate_idempotency::Handler for #name {
            type Data = #data;
            type Output = #output;
            type Mode = ::headgate_idempotency::#mode;

            fn terms(&self) -> ::headgate_idempotency::Terms {
                #terms
            }

            #key

            async fn handle(&self, #event, #context) -> #result {
                #shared
                #(#statements)*
            }
        }
    })
}

/// What a handler's signature is made of.
struct Parts<'a> {
    event: &'a PatType,
    context: &'a PatType,
    /// The pattern and the type behind the reference of the third parameter.
    shared: Option<(&'a Pat, &'a Type)>,
    data: &'a Type,
    result: &'a Type,
    output: &'a Type,
}

impl<'a> Parts<'a> {
    fn of(signature: &'a Signature, mode: Mode) -> Result<Self> {
        let example = format!(
            "async fn {}(e: Event<T>, cx: &mut {}) -> Result<R, Fault>",
            signature.ident,
            mode.context()
        );
        let expected = |at: &dyn quote::ToTokens, what: &str| {
            Err(Error::new(at.span(), format!("{what}: expected `{example}`")))
        };
        if signature.asyncness.is_none() {
            return expected(&signature.fn_token, "a handler is async");
        }
        if !signature.generics.params.is_empty() {
            return expected(&signature.generics, "a handler has no generic parameters");
        }
        let mut typed = Vec::new();
        for input in &signature.inputs {
            match input {
                FnArg::Typed(input) => typed.push(input),
                FnArg::Receiver(_) => return expected(input, "a handler takes no self"),
            }
        }
        let (event, context, shared) = match typed.as_slice() {
            [event, context] => (*event, *context, None),
            [event, context, shared] => (*event, *context, Some(*shared)),
            _ => {
                let what = "a handler takes an event, a context, and at most one reference more";
                return expected(&signature.ident, what);
            }
        };
        let Some(data) = generic(&event.ty, "Event") else {
            return expected(&event.ty, "the first parameter is an event");
        };
        if let Some(wrong) = context_of_another_mode(&context.ty, mode) {
            let what = format!("mode {} has no context `{wrong}`", mode.as_str());
            return expected(&context.ty, &what);
        }
        let shared = match shared.map(|shared| (&*shared.pat, &*shared.ty)) {
            Some((pattern, Type::Reference(ty))) if ty.mutability.is_none() => {
                Some((pattern, &*ty.elem))
            }
            Some((_, ty)) => {
                return expected(ty, "the third parameter is a shared reference");
            }
            None => None,
        };
        let ReturnType::Type(_, result) = &signature.output else {
            return expected(&signature.ident, "a handler returns a result");
        };
        let Some(output) = generic(result, "Result") else {
            return expected(result, "a handler returns a result");
        };
        Ok(Self { event, context, shared, data, result, output })
    }
}

/// The first argument of a type of this name.
fn generic<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}

/// The name of a context that belongs to another mode. A name that is not ours is left to the
/// compiler, since it may be an alias.
fn context_of_another_mode(ty: &Type, mode: Mode) -> Option<&Ident> {
    let Type::Reference(reference) = ty else { return None };
    let Type::Path(path) = &*reference.elem else { return None };
    let name = &path.path.segments.last()?.ident;
    let contexts = [Mode::Transactional, Mode::Keyed, Mode::Leased].map(Mode::context);
    let is_other = contexts.iter().any(|context| name == context) && name != mode.context();
    is_other.then_some(name)
}

fn marker(mode: Mode) -> &'static str {
    match mode {
        Mode::Transactional => "Transactional",
        Mode::Keyed => "KeyedEffects",
        Mode::Leased => "LeasedEffects",
    }
}

fn terms(arguments: &Arguments) -> TokenStream {
    let Arguments { scope, topic, kind, .. } = arguments;
    let lengths = [
        (quote!(ttl), arguments.ttl),
        (quote!(lease), arguments.lease),
        (quote!(timeout), arguments.timeout),
        (quote!(window), arguments.window),
    ];
    let lengths = lengths.into_iter().filter_map(|(field, length)| {
        let millis = length?.0;
        Some(quote!(terms.#field = ::std::time::Duration::from_millis(#millis);))
    });
    let on_lost = arguments.on_lost.map(|on_lost| {
        let word = match on_lost {
            OnLost::Retry => quote!(Retry),
            OnLost::Hold => quote!(Hold),
        };
        quote!(terms.on_lost = ::headgate_idempotency::OnLost::#word;)
    });
    let order = arguments.order.map(|order| {
        let word = match order {
            Order::Unordered => quote!(Unordered),
            Order::PerKey => quote!(PerKey),
        };
        quote!(terms.order = ::headgate_idempotency::Order::#word;)
    });
    let retry = arguments.retry.map(|Backoff { first, factor, longest, attempts_max }| {
        let (first, longest) = (first.0, longest.0);
        quote! {
            terms.retry = ::headgate_idempotency::Backoff {
                first: ::std::time::Duration::from_millis(#first),
                factor: #factor,
                longest: ::std::time::Duration::from_millis(#longest),
                attempts_max: #attempts_max,
            };
        }
    });
    quote! {
        #[allow(unused_mut, reason = "terms may all be the usual ones")]
        let mut terms = ::headgate_idempotency::Terms::new(#scope, #topic, #kind);
        #(#lengths)*
        #on_lost
        #order
        #retry
        terms
    }
}

/// The key's function. The closure is taken apart, because one without types can't return a
/// reference into its parameter.
fn key(arguments: &Arguments, data: &Type) -> TokenStream {
    let Some(closure) = &arguments.key else { return quote!() };
    let (parameter, body) = (closure.inputs.to_token_stream(), &closure.body);
    quote! {
        fn key(&self, #parameter: &::headgate_idempotency::Event<#data>) -> ::std::option::Option<
            ::std::string::String,
        > {
            ::std::option::Option::Some(::std::string::ToString::to_string(&(#body)))
        }
    }
}

#[cfg(test)]
mod tests;
