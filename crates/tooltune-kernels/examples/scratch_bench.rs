use burn::tensor::{Bool, Device, Distribution, Int, Tensor, activation};
use std::time::Instant;
use tooltune_kernels as k;
fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/self/stat").unwrap();
    let _ = t;
    let mut sum = 0.0;
    for e in std::fs::read_dir("/proc/self/task").unwrap() {
        let s = std::fs::read_to_string(e.unwrap().path().join("schedstat")).unwrap_or_default();
        sum += s.split_whitespace().next().and_then(|x| x.parse::<f64>().ok()).unwrap_or(0.0) * 1e-9;
    }
    sum
}
fn time(name: &str, elems: usize, mut f: impl FnMut()) {
    f();
    let mut ts: Vec<f64> = Vec::new();
    let (start, c0) = (Instant::now(), cpu());
    while ts.len() < 5 || (start.elapsed().as_secs_f64() < 1.0 && ts.len() < 1000) {
        let t = Instant::now();
        f();
        ts.push(t.elapsed().as_secs_f64());
    }
    let c = (cpu() - c0) / ts.len() as f64;
    ts.sort_by(|a, b| a.total_cmp(b));
    let lo = ts[0];
    println!("{name:52} cpu {:8.3} ms {:7.3} ns/el | wall min {:8.3} ms {:7.3} ns/el", c * 1e3, c * 1e9 / elems as f64, lo * 1e3, lo * 1e9 / elems as f64);
}
fn rnd<const D: usize>(s: [usize; D], d: &Device) -> Tensor<D> {
    Tensor::random(s, Distribution::Normal(0.0, 1.0), d)
}
fn fb<const D: usize, const I: usize, const N: usize>(
    x: &[Tensor<I>; N],
    f: impl Fn([Tensor<I>; N]) -> Tensor<D>,
) {
    let x = x.clone().map(|t| t.autodiff().require_grad());
    let y = f(x.clone());
    let dy = y.clone().inner();
    let g = (y * dy.autodiff()).sum().backward();
    for t in x {
        std::hint::black_box(t.grad(&g));
    }
}
fn naive_attention(
    q: Tensor<4>,
    kk: Tensor<4>,
    v: Tensor<4>,
    mask: Option<&Tensor<4, Bool>>,
    scale: f64,
    cap: Option<f64>,
) -> Tensor<4> {
    let [b, h, s, d] = q.dims();
    let [_, kv, n, _] = kk.dims();
    let sc = (q * scale).reshape([b, kv, h / kv * s, d]).matmul(kk.swap_dims(2, 3)).reshape([b, h, s, n]);
    let sc = match cap {
        Some(c) => (sc / c).tanh() * c,
        None => sc,
    };
    let sc = match mask {
        Some(m) => sc.mask_fill(m.clone().expand([b, h, s, n]), -1e30),
        None => sc,
    };
    activation::softmax(sc, 3).reshape([b, kv, h / kv * s, n]).matmul(v).reshape([b, h, s, d])
}
fn matmuls_only(q: Tensor<4>, kk: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let [b, h, s, d] = q.dims();
    let [_, kv, n, _] = kk.dims();
    q.reshape([b, kv, h / kv * s, d])
        .matmul(kk.swap_dims(2, 3))
        .reshape([b, kv, h / kv * s, n])
        .matmul(v)
        .reshape([b, h, s, d])
}
fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let want = |n: &str| only.is_empty() || only.contains(n);
    let dev = Device::flex();
    println!("threads {:?}", std::env::var("RAYON_NUM_THREADS"));
    if want("geglu") {
        for s in [[2160usize, 512usize], [512, 9216]] {
            let n = s[0] * s[1];
            let g = rnd(s, &dev);
            let u = rnd(s, &dev);
            time(&format!("add (reference) {s:?}"), n, || {
                std::hint::black_box(g.clone() + u.clone());
            });
            time(&format!("geglu fused fwd {s:?}"), n, || {
                std::hint::black_box(k::geglu(g.clone(), u.clone()));
            });
            time(&format!("geglu burn fwd {s:?}"), n, || {
                std::hint::black_box(activation::gelu_approximate(g.clone()) * u.clone());
            });
            let x = [g, u];
            time(&format!("reference (mul) fwd+bwd {s:?}"), n, || fb(&x, |[g, u]| g * u));
            time(&format!("geglu fused fwd+bwd {s:?}"), n, || fb(&x, |[g, u]| k::geglu(g, u)));
            time(&format!("geglu burn fwd+bwd {s:?}"), n, || {
                fb(&x, |[g, u]| activation::gelu_approximate(g) * u)
            });
        }
    }
    if want("norm") {
        for s in [[2160usize, 128usize], [2160, 768], [512, 2304]] {
            let n = s[0] * s[1];
            let x = rnd(s, &dev);
            let w = rnd([s[1]], &dev);
            let burn = |x: Tensor<2>, w: Tensor<1>| {
                let r = (x.clone().square().mean_dim(1) + 1e-6).sqrt().recip();
                x * r * (w + 1.0).unsqueeze::<2>()
            };
            time(&format!("norm fused fwd {s:?}"), n, || {
                std::hint::black_box(k::rms_norm(x.clone(), w.clone(), 1e-6));
            });
            time(&format!("norm burn fwd {s:?}"), n, || {
                std::hint::black_box(burn(x.clone(), w.clone()));
            });
            time(&format!("norm fused fwd+bwd(x) {s:?}"), n, || {
                fb(&[x.clone()], |[x]| k::rms_norm(x, w.clone(), 1e-6))
            });
            time(&format!("norm burn fwd+bwd(x) {s:?}"), n, || fb(&[x.clone()], |[x]| burn(x, w.clone())));
            let wf = |x: Tensor<2>, f: &dyn Fn(Tensor<2>, Tensor<1>) -> Tensor<2>| {
                let w = w.clone().autodiff().require_grad();
                let x = x.autodiff().require_grad();
                let y = f(x.clone(), w.clone());
                let dy = y.clone().inner();
                let g = (y * dy.autodiff()).sum().backward();
                std::hint::black_box((x.grad(&g), w.grad(&g)));
            };
            time(&format!("norm fused fwd+bwd(x,w) {s:?}"), n, || {
                wf(x.clone(), &|x, w| k::rms_norm(x, w, 1e-6))
            });
            time(&format!("norm burn fwd+bwd(x,w) {s:?}"), n, || wf(x.clone(), &burn));
        }
    }
    if want("rope") {
        for [b, t, h, d] in [[12usize, 180usize, 4usize, 32usize], [1, 512, 8, 256]] {
            let n = b * t * h * d;
            let x = rnd([b * t, h * d], &dev).reshape([b, t, h, d]).swap_dims(1, 2);
            let c = rnd([b, t, d / 2], &dev);
            let burn = |x: Tensor<4>| {
                let (c, s) = (c.clone().unsqueeze_dim::<4>(1), c.clone().unsqueeze_dim::<4>(1));
                let (x1, x2) = (x.clone().narrow(3, 0, d / 2), x.narrow(3, d / 2, d / 2));
                Tensor::cat(vec![x1.clone() * c.clone() - x2.clone() * s.clone(), x2 * c + x1 * s], 3)
            };
            time(&format!("rope fused fwd {:?}", [b, h, t, d]), n, || {
                std::hint::black_box(k::rope(x.clone(), c.clone(), c.clone()));
            });
            time(&format!("rope burn fwd {:?}", [b, h, t, d]), n, || {
                std::hint::black_box(burn(x.clone()));
            });
            time(&format!("rope fused fwd+bwd {:?}", [b, h, t, d]), n, || {
                fb(&[x.clone()], |[x]| k::rope(x, c.clone(), c.clone()))
            });
            time(&format!("rope burn fwd+bwd {:?}", [b, h, t, d]), n, || fb(&[x.clone()], |[x]| burn(x)));
        }
    }
    if want("attn") {
        for [b, h, kv, t, d] in
            [[12usize, 4usize, 2usize, 180usize, 32usize], [1, 8, 4, 512, 256], [1, 8, 4, 1024, 256]]
        {
            let n = b * h * t * t;
            let mk = |h: usize| rnd([b * t, h * d], &dev).reshape([b, t, h, d]).swap_dims(1, 2);
            let x = [mk(h), mk(kv), mk(kv)];
            let i = Tensor::<1, Int>::arange(0..t as i64, &dev);
            let m = i.clone().reshape([t, 1]).lower(i.reshape([1, t])).reshape([1, 1, t, t]);
            let m = Tensor::cat(vec![m; b], 0);
            let s = (d as f64).powf(-0.5);
            let name = format!("{:?}", [b, h, kv, t, d]);
            let out = |y: Tensor<4>| y.swap_dims(1, 2).reshape([b * t, h * d]);
            time(&format!("attn fused fwd {name}"), n, || {
                let [q, kk, v] = x.clone();
                std::hint::black_box(out(k::attention(q, kk, v, Some(&m), s, Some(50.0))));
            });
            time(&format!("attn fused fwd no cap {name}"), n, || {
                let [q, kk, v] = x.clone();
                std::hint::black_box(out(k::attention(q, kk, v, Some(&m), s, None)));
            });
            time(&format!("attn fused fwd no mask {name}"), n, || {
                let [q, kk, v] = x.clone();
                std::hint::black_box(out(k::attention(q, kk, v, None, s, Some(50.0))));
            });
            time(&format!("attn burn fwd {name}"), n, || {
                let [q, kk, v] = x.clone();
                std::hint::black_box(out(naive_attention(q, kk, v, Some(&m), s, Some(50.0))));
            });
            time(&format!("attn burn matmuls only fwd {name}"), n, || {
                let [q, kk, v] = x.clone();
                std::hint::black_box(out(matmuls_only(q, kk, v)));
            });
            time(&format!("attn fused fwd+bwd {name}"), n, || {
                fb(&x, |[q, kk, v]| out(k::attention(q, kk, v, Some(&m), s, Some(50.0))))
            });
            time(&format!("attn fused fwd+bwd no mask {name}"), n, || {
                fb(&x, |[q, kk, v]| out(k::attention(q, kk, v, None, s, Some(50.0))))
            });
            time(&format!("attn burn fwd+bwd {name}"), n, || {
                fb(&x, |[q, kk, v]| out(naive_attention(q, kk, v, Some(&m), s, Some(50.0))))
            });
            time(&format!("attn burn matmuls only fwd+bwd {name}"), n, || {
                fb(&x, |[q, kk, v]| out(matmuls_only(q, kk, v)))
            });
        }
    }
}
