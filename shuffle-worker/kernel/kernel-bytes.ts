/** skeleton */
export const kernelBytes = 'AGFzbQEAAAA=';
